"""With active exporters, a forked child reaches its first line about as fast as without: the median takes at most twice
as long plus 20 ms.

Exits with status 0 on success. After DataDog/dd-trace-py#18636. `--stock`: without observation.
"""

import os
import statistics
import subprocess
import sys
import time
import warnings

STOCK = "--stock" in sys.argv
warnings.simplefilter("ignore")


class Exporter:
    def export(self, snapshot, events):
        pass

    def shutdown(self, timeout):
        pass


if not STOCK:
    from thread import telemetry

    telemetry.instrument()
    telemetry.start(Exporter(), Exporter(), export_interval=0.01)
delays = []
for _ in range(60):
    source, sink = os.pipe()
    began = time.monotonic_ns()
    if os.fork() == 0:
        os.write(sink, str(time.monotonic_ns() - began).encode())
        os._exit(0)
    os.close(sink)
    delays.append(int(os.read(source, 99)) / 1e6)
    os.close(source)
    os.wait()
median = statistics.median(delays)
if STOCK:
    print(median)
    sys.exit(0)
stock = subprocess.run([sys.executable, __file__, "--stock"], capture_output=True, text=True, check=True)
without = float(stock.stdout)
print(f"median {median:.2f} ms, without observation {without:.2f} ms")
sys.exit(median > 2 * without + 20)
