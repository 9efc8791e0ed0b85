"""Where commands of the command line are carried out, once they are known: everything heavy is loaded here."""
