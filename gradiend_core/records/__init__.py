"""What travels between the stages: frozen attrs records with named axes."""
