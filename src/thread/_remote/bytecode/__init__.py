"""Bytecode of each version: which instruction an opcode is, its length, and what it does to the stack."""
