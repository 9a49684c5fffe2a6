"""The metrics of several processes that write to one folder, added up for one page."""
