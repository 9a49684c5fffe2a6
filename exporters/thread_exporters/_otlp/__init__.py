"""Sending by OTLP over HTTP: the connection, its deadlines, and the standard variables."""
