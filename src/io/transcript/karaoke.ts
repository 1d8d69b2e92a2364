/** A script that lets ffmpeg draw every word as it is said: whisper-cli's `.wts`. */
import { general } from './json.ts';
import type { Segment, Token } from './segment.ts';
import { speakerOf } from './speaker.ts';

export interface KaraokeOptions {
  /** Of the recording, as the script is to name it. */
  readonly path: string;
  readonly seconds: number;
  /** A monospaced font's file. */
  readonly font: string;
}

/** @param segments with times of tokens */
export const karaokeScript = (segments: readonly Segment[], { path, seconds, font }: KaraokeOptions): string => {
  const drawings = segments.flatMap((s) => drawSegment(s, font)).join(',');
  const size = `color=size=1200x120:duration=${general(seconds)}:rate=25:color=black`;
  const [sound, video] = [word(path), word(`${path}.mp4`)];
  return `#!/bin/bash

ffmpeg -i ${sound} -f lavfi -i ${size} -vf "${drawings}" -c:v libx264 -pix_fmt yuv420p -y ${video}


echo "Your video has been saved to ${escaped(path)}.mp4"

echo "  ffplay ${escaped(path)}.mp4"

`;
};

const drawSegment = (s: Segment, font: string): string[] => {
  const draw = (colour: string, at: string, text: string, from: number, to: number): string => {
    const times = `enable='between(t,${general(from / 1000)},${general(to / 1000)})'`;
    return `drawtext=fontfile='${escaped(font)}':fontsize=24:fontcolor=${colour}:x=(w-text_w)/2${at}:text='${text}':${times}`;
  };
  const said = s.tokens.filter((t) => !t.isSpecial);
  const who = speakerOf(s);
  const whole = quoted(`${who}> ${said.map((t) => t.text).join('')}`);
  const background = said.length > 0 ? [draw('gray', ':y=h/2', whole, s.from, s.to)] : [];
  const words = said.flatMap((token, i) => {
    const { from, to } = token.span ?? s;
    const spoken = said.map((t, k) => (k === i ? `${quoted(t.text)}|` : blanks(t))).join('');
    const lines = said.map((t, k) => (k === i ? '_'.repeat(nByte(t)) : blanks(t))).join('');
    const margin = blank.repeat(who.length + 2);
    return [
      draw('lightgreen', '+8:y=h/2', `${who}> ${spoken}`, from, to),
      draw('lightgreen', '+8:y=h/2+16', margin + lines, from, to),
    ];
  });
  return [draw('gray', ':y=h/2', '', s.from, s.from), ...background, ...words];
};

/** A blank that ffmpeg does not trim. */
const blank = '\\ ';
const nByte = (t: Token): number => Buffer.byteLength(t.text);
const blanks = (t: Token): string => blank.repeat(nByte(t));

/** Inside of two kinds of quotes: apostrophes become typographic ones. */
const quoted = (text: string): string => escaped(text.replaceAll("'", '’'));

/** Between double quotes: what the shell would take for its own. */
const escaped = (text: string): string => text.replace(/["$`\\]/g, '\\$&');

/** One word of a command line. */
const word = (text: string): string => (/^[\w./-]+$/.test(text) ? text : `"${escaped(text)}"`);
