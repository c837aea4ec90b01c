"""`shop top`: `sources` reads AWS, `window` folds the lines of the last minute into a document, `view` draws that."""
