"""An observed service calls a Python helper and reads both its output streams.

The helper inherits THREAD_TELEMETRY=1, and its output is the same as without. Source:
django-commons/django-prometheus#407, PostHog/posthog#56109.
"""
import os
import socket
import subprocess
import sys

SERVICE = """
import subprocess, sys
helper = [sys.executable, "-c", "print('{}')"]
done = subprocess.run(helper, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
print(repr(done.stdout))
"""
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
environment = {**os.environ, "THREAD_TELEMETRY": "1", "THREAD_TELEMETRY_PORT": str(port)}
said = subprocess.run([sys.executable, "-c", SERVICE], env=environment, capture_output=True, text=True).stdout.strip()
print("the helper said:", said[:120])
sys.exit(said != repr("{}\n"))
