"""Sound matching: the PNP papers. A synthesiser is one file of data, `drum.py` or `arpeggio.py`."""
