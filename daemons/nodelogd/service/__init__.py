"""What every daemon needs: options, HTTP pages, health, its own log, sockets, signals, file publishing."""
