"""Whisper's spectrogram: 80 bands, a frame every 10 ms."""
import numpy as np

from whisper.speak import RATE

FFT, HOP = 400, 160
SILENCE = -10.0  # log10 of what stands for nothing


def filters(mels: int = 80) -> np.ndarray:
    """Slaney's triangles [mels, 201] of area 1 between 0 and 8 kHz, as librosa makes them and OpenAI ships them."""
    hertz = np.arange(FFT // 2 + 1) * (RATE / FFT)
    steps = np.linspace(0, 15 + np.log(8) / (np.log(6.4) / 27), mels + 2)
    edges = np.where(steps < 15, steps * 200 / 3, 1000 * np.exp((steps - 15) * np.log(6.4) / 27))
    rise = (hertz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - hertz) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rise, fall)) * (2 / (edges[2:] - edges[:-2]))[:, None]


_FILTERS = filters().astype(np.float32)
_WINDOW = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)).astype(np.float32)


def log_power(samples: np.ndarray) -> np.ndarray:
    """log10 of the power in each band, [frames, mels], of samples of full scale 1."""
    padded = np.pad(samples.astype(np.float32), FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT)[:-1:HOP] * _WINDOW
    spectrum = np.fft.rfft(frames)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    return np.log10(np.maximum(power @ _FILTERS.T, 10**SILENCE))


def normalised(logs: np.ndarray, louder: float = 0.0) -> np.ndarray:
    """What Whisper sees; `louder`: by how much (log10) the file is louder elsewhere, which raises the floor."""
    return (np.maximum(logs, logs.max() + louder - 8) + 4) / 4
