#ifndef SCHEDD_STORE_RELAY_NOTE_H
#define SCHEDD_STORE_RELAY_NOTE_H

/* How the relays of the settings stand; relay.c keeps it, for the fleet. */

struct conf;
struct relay_note;

/* One for each, by index of conf->relays. free() ends it. */
struct relay_note *relay_notes_new(const struct conf *conf);

#endif
