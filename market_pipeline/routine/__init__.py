"""The runbook's routine maintenance: each box of its checklists is a function, and a report is all of them."""
