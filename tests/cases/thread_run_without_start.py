"""`Thread.run()` called without `start()`, as synchronous test doubles do, and a `Timer` that is cancelled.

Both work, with an exporter for spans as well. Source: open-telemetry/opentelemetry-python-contrib#4245, #1877.
"""

import sys
import threading

from opentelemetry.sdk.trace import TracerProvider

from thread import telemetry
from thread_exporters.spans import SpansExporter

telemetry.instrument()
provider = TracerProvider()
telemetry.start(SpansExporter(provider))
done = []
with provider.get_tracer("test").start_as_current_span("request"):
    threading.Thread(target=done.append, args=("run",)).run()
    timer = threading.Timer(0.01, done.append, ("timer",))
    timer.start()
    timer.join()
    timer = threading.Timer(60, done.append, ("never",))
    timer.start()
    timer.cancel()
    timer.join()
telemetry.stop()
print(done)
sys.exit(done != ["run", "timer"])
