"""The promises of speed, for anyone to measure with `python -m benchmarks` or `make bench`.

Nearly every promise is a ratio. Its two sides run the same code in one process, in turns of a few milliseconds, with
the garbage collector off and the default switch interval. Each turn gives a ratio, and the median counts. Other load on
the machine hits both sides alike. `python -m benchmarks --calibrate` measures the interpreter against itself. Every
ratio should then be 1, and the deviations show the error of the other measurements.
"""
