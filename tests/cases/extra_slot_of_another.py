"""Another user of code objects' extra slots is never called for code in which it stored nothing, even at exit."""

import ctypes
import gc
import sys
import threading

from thread import telemetry

telemetry.instrument()
FREE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
calls = []


@FREE
def free(stored):
    calls.append(stored)


try:
    request = ctypes.pythonapi.PyUnstable_Eval_RequestCodeExtraIndex
except AttributeError:
    request = ctypes.pythonapi._PyEval_RequestCodeExtraIndex
request.argtypes = (FREE,)
request(free)


def lock_of_a_function_that_goes():
    namespace = {"threading": threading}
    exec("def function():\n    lock = threading.Lock()\n    with lock: pass\n", namespace)
    namespace["function"]()


def kept():
    with threading.Lock():
        pass


for _ in range(3):
    lock_of_a_function_that_goes()
gc.collect()
kept()
# The code is freed when the interpreter ends, after the function above. Calling that would crash.
sys.modules["kept"] = kept
print(f"the function of the other one was called with {calls}")
sys.exit(bool(calls))
