"""The wait-for graph: what each thread waits for and holds, who could end each wait, and what is wrong with that."""
