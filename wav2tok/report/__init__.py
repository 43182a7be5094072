"""What people read: report files, plots, the HTML page, figures of a training run, the model card."""
