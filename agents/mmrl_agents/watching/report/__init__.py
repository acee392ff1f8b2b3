"""The report on runs: one HTML page with everything on it, to read, to print and to send.

`report.py` is the command. `record.py` reads what a run left, `playing.py` plays episodes, `filming.py` shows three of
them, `sections.py` and `drawing.py` make tables and pictures, `page.py` joins them.
"""
