"""How much the app adds to what PyTorch and Gradio take by themselves; ``make bench`` prints it."""
