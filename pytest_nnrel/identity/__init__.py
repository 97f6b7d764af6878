"""What a foreign object does, as a digest: the code that it runs and the state that it is in.

An encoder, a transformation or a distance of the user's is known to the store by this digest and
not by its name or address, so that edited code, globals or attributes get values of their own.

Told are: bytecode, constants, defaults and closures of functions; the globals that they name, and
so other functions and classes of the user's project; the files of the project's modules that they
refer to, and what these import; instances by class and attributes, arrays and tensors by content;
methods put on an instance, hooks, and what was patched into a library; libraries by version; and
what torch and JAX are set to (autocast, precision) where they take part; sessions of ONNX Runtime,
interpreters of LiteRT and models of Keras by the model's bytes or weights.

Not told are: files and services that are read while running, environment variables, the state of
global random generators, and modules that are found by a computed name. What cannot be looked into
(open files, generators, objects of C libraries, functions of the project's own C modules) makes a
behaviour unknown.
"""

from pytest_nnrel.identity.behaviour import Behaviour, behaviour_of

__all__ = ["Behaviour", "behaviour_of"]
