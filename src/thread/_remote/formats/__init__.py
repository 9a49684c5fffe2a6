"""Forms of a dump: text for people, JSON for programs, a graph for Graphviz."""
