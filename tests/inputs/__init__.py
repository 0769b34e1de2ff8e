"""Everything a stranger can send to every route there is: refused in the contract's words."""
