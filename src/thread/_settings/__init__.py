"""The settings: one table of them, their environment variables, and the class that users see."""
