"""What the DNS says about the domains a publication uses, and what receivers make of it (K-02 to K-08, S-40, S-41).

Every module here is pure: it is handed a way to look records up, and gives back lines. No text in a record, whatever it
is, makes them raise.
"""
