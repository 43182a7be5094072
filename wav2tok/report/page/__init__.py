"""The HTML page of a report: values are prepared here, templates lie next to the code."""
