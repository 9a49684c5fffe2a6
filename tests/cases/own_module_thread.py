"""A program with its own module `thread.py` beside its script imports that one, as it does unobserved.

With THREAD_TELEMETRY=1 in the environment, and under `python -m thread run`, from any folder. Source:
DataDog/dd-trace-py#5716, python/cpython#95754.
"""
import os
import subprocess
import sys
import tempfile

folder = tempfile.mkdtemp()
with open(os.path.join(folder, "thread.py"), "w") as file:
    file.write("VALUE = 'its own'\n")
script = os.path.join(folder, "app.py")
with open(script, "w") as file:
    file.write("import thread\nprint(thread.VALUE)\n")

def run(*command, **variables):
    done = subprocess.run([sys.executable, *command], env={**os.environ, **variables}, capture_output=True, text=True)
    return done.returncode, done.stdout.strip() or done.stderr.strip().splitlines()[-1]

plain = run(script)
activated = run(script, THREAD_TELEMETRY="1", THREAD_TELEMETRY_EXPORTERS="none")
under_run = run("-m", "thread", "run", "--exporter", "none", script)
print("plain:", plain, "THREAD_TELEMETRY=1:", activated, "thread run:", under_run)
sys.exit(activated != plain or under_run != plain)
