"""From the core to the exporters: the protocol they follow, the threads that call them, and how they are found."""
