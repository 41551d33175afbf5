"""Correcting one of the label maps that a tab shows, and saving it: what Compare and the case drawer share."""
