// FALTUNG_LEVEL, the level that an object is compiled for, as text and as its table's name.
#pragma once

#define FALTUNG_TEXT_(x) #x
#define FALTUNG_TEXT(x) FALTUNG_TEXT_(x)
#define FALTUNG_JOIN_(a, b) a##b
#define FALTUNG_JOIN(a, b) FALTUNG_JOIN_(a, b)

#define FALTUNG_LEVEL_TEXT FALTUNG_TEXT(FALTUNG_LEVEL)
#define FALTUNG_LEVEL_TABLE FALTUNG_JOIN(table_, FALTUNG_LEVEL)
