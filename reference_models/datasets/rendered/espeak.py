"""A program that says one syllable with libespeak-ng, as ``espeak-ng -w`` does.

``python espeak.py LIBRARY DATA VOICE WORDS_PER_MINUTE TEXT`` prints the sample rate, the library's
version and a line feed, then the samples: 16-bit, mono, in the machine's byte order. DATA is the
folder ``espeak-ng-data``, or nothing for the one that the library was built with.

It is a process for each syllable, since what was said before is heard in what is said next: the
library keeps the phases of its oscillators. It needs the standard library alone, so it starts fast.
"""

from __future__ import annotations

import ctypes
import sys

_SYNCHRONOUS = 2
_DO_NOT_EXIT = 0x8000
_RATE_PARAMETER = 1
_FROM_CHARACTERS = 1
#: Phoneme names in brackets are understood, and a pause ends the text, as by the program espeak-ng.
_PHONEMES_AND_END_PAUSE = 0x1100
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def main(library: str, data: str, voice: str, words_per_minute: str, text: str) -> None:
    """Say a text; exit with what is wrong where that fails."""
    espeak = ctypes.CDLL(library)
    espeak.espeak_Info.restype = ctypes.c_char_p
    rate = espeak.espeak_Initialize(_SYNCHRONOUS, 0, data.encode() or None, _DO_NOT_EXIT)
    if rate <= 0:
        sys.exit(f"{library} finds no data in {data or 'its own folder'}")
    said: list[bytes] = []

    def take(samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int) -> int:
        if samples and count:
            said.append(ctypes.string_at(samples, count * ctypes.sizeof(ctypes.c_short)))
        return 0

    callback = _Callback(take)
    espeak.espeak_SetSynthCallback(callback)
    if espeak.espeak_SetVoiceByName(voice.encode()):
        sys.exit(f"{library} has no voice {voice}")
    espeak.espeak_SetParameter(_RATE_PARAMETER, int(words_per_minute), 0)
    characters = text.encode() + b"\0"
    espeak.espeak_Synth(
        characters, len(characters), 0, _FROM_CHARACTERS, 0, _PHONEMES_AND_END_PAUSE, None, None
    )
    espeak.espeak_Synchronize()
    head = f"{rate} {espeak.espeak_Info(None).decode()}\n"
    sys.stdout.buffer.write(head.encode() + b"".join(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
