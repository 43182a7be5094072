"""The templates of the report: ``report.md``, and the HTML page with what draws it."""
