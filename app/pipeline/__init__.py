"""Pure stages of a list: candidates, filters, blend, rerank, explain."""
