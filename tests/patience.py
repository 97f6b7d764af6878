"""How long tests wait for what should end.

Far longer than it takes: a machine that does other work is slow, and what is slow is not wrong.
"""

#: Seconds after which a process or a thread that has not ended is taken to hang.
PATIENCE = 600
