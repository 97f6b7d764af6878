"""Pure statistics of outcomes; nothing else decides whether something is worse."""
