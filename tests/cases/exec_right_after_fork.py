"""`subprocess` with a `preexec_fn` runs Python's fork hooks and then executes another program at once. Such a child
leaves nothing in PROMETHEUS_MULTIPROC_DIR.

Exits with status 0 on success. The timing varies, so there are many children. After benoitc/gunicorn#1327, #1428.
"""

import collections
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
folder = Path("folder").absolute()
folder.mkdir(mode=0o700)
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)

from thread import telemetry  # noqa: E402
from thread_exporters.prometheus import PrometheusExporter  # noqa: E402

telemetry.instrument()
telemetry.start(PrometheusExporter(), export_interval=0.2)
time.sleep(0.4)
for _ in range(100):
    subprocess.run(["/bin/true"], preexec_fn=lambda: None, check=True)
telemetry.configure(export_interval=0.01)
deadline = time.monotonic() + 20
while True:
    left = collections.Counter(path.suffix for path in folder.iterdir())
    if (not left[".tmp"] and left[".lock"] <= 1) or time.monotonic() > deadline:
        break
    time.sleep(0.05)
telemetry.stop()
print(dict(left))
sys.exit(left[".tmp"] > 0 or left[".lock"] > 1)
