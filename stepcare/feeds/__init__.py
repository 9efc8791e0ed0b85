"""Calendars for other programs: a colleague's owed work as a feed, and a visit as an invitation."""
