"""What the DNS says about the domains a publication uses, and what receivers make of it (K-02 to K-08, S-40, S-41).

Every module here is pure: it is handed a way to look records up, and gives back lines. No text in a record, whatever it
is, makes them raise.

SPF and DMARC are read here and not by a library. Of those that are there, one has not been kept since 2020, one knows
neither `np` nor `psd` nor the walk up the DNS, one reads SPF by patterns that overlook most faults, and the one that
does all of it brings 25 packages and asks by itself, so that nothing could be decided without the network.
"""
