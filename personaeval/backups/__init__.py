"""One file that holds the database of a site: how it is made while people rate, checked, and put back."""
