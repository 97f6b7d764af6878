"""Music rendered from scores of our own, of which everything is known.

`score` composes, `synthesis` and `voices` render, `tags` says what is true, `clips` puts a clip
together from its number.
"""
