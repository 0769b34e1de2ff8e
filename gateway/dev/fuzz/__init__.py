"""Generated requests at a real server: none may fail it, hang it, or be refused out of form."""
