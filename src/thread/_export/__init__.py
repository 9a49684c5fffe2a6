"""From the core to the exporters: their protocol, the threads that call them, and how to find them."""
