"""Random numbers of the program, and the spans that identifiers belong to."""

from __future__ import annotations

import pytest
from otlp_receiver import OtlpReceiver
from programs import output_of

DRAWS = """
    import random, sys, threading
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    class Counted(IdGenerator):
        def __init__(self):
            self.last = 0
        def generate_span_id(self):
            self.last += 1
            return self.last
        generate_trace_id = generate_span_id

    from opentelemetry import trace
    from thread import telemetry
    # The program's own identifiers come from its own generator, which draws nothing.
    trace.set_tracer_provider(TracerProvider(id_generator=Counted()) if sys.argv[2:] else TracerProvider())
    if sys.argv[1] != "none":
        telemetry.instrument()
        telemetry.start(sys.argv[1])
    random.seed(1)
    tracer = trace.get_tracer("shop")
    for _ in range(3):
        with tracer.start_as_current_span("request"):
            worker = threading.Thread(target=lambda: trace.get_current_span().get_span_context())
            worker.start()
            worker.join()
        telemetry.stop()
        if sys.argv[1] != "none":
            telemetry.start(sys.argv[1])
    print([random.random() for _ in range(3)])
"""


@pytest.mark.parametrize("exporter", ["otlp", "spans"])
@pytest.mark.parametrize("generator", [(), ("counted",)], ids=["default", "own"])
def test_the_program_draws_the_same_numbers_as_without_it(exporter: str, generator: tuple[str, ...]) -> None:
    with OtlpReceiver() as receiver:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint}
        drawn = output_of(DRAWS, exporter, *generator, **environment)
        assert drawn == output_of(DRAWS, "none", *generator)
        assert (exporter == "spans") or receiver.spans()


def test_a_seed_gives_no_two_spans_one_identifier() -> None:
    program = """
        import random, threading
        from thread import telemetry
        telemetry.instrument()
        telemetry.start("otlp")
        random.seed(1)
        for _ in range(3):
            worker = threading.Thread(target=int)
            worker.start()
            worker.join()
            telemetry.stop()
            telemetry.start("otlp")
            random.seed(1)
    """
    with OtlpReceiver() as receiver:
        assert output_of(program, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint) == []
        spans = [span for _, _, span in receiver.spans()]
    assert len(spans) == 3
    assert len({span.trace_id for span in spans}) == 3
    assert len({span.span_id for span in spans}) == 3
