"""What can be asked, by whom, and page by page."""
