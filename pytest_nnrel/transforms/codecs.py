"""What lossy codecs share that PyAV brings: to code and decode again, aligned to the sample."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_nnrel.errors import EngineError, TransformError
from pytest_nnrel.runtime.versions import library_version
from pytest_nnrel.transforms.full_scale import within_full_scale
from pytest_nnrel.transforms.lag import lag_between
from pytest_nnrel.transforms.protocol import Transform

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.transforms.output import Checks

_REINSTALL = "install another version of av"


class LossyCodec(Transform):
    """What codecs of FFmpeg's share: the bitrate, the container, the alignment.

    A container says how many samples to leave away at the start, which a bare stream does not.
    """

    kbps: float

    unit: ClassVar[str] = "kb/s"
    identity: ClassVar[float] = float("inf")
    #: FFmpeg's names, of samples that the encoder takes, too; and what it is told besides.
    codec: ClassVar[str]
    container: ClassVar[str]
    sample_format: ClassVar[str]
    options: ClassVar[dict[str, str]] = {}

    @classmethod
    def missing(cls) -> str:
        from pytest_nnrel.corpus.audiofile import EXTRA
        from pytest_nnrel.corpus.ffmpeg import reads_extra_formats

        return "" if reads_extra_formats() else f"{cls.__name__} needs PyAV: {EXTRA}"

    def _engine_recipe(self) -> dict[str, object]:
        return {"av": library_version("av"), "options": self.options}

    @abstractmethod
    def _coded_rate(self, sample_rate: int) -> int:
        """Return the sample rate that is coded, in Hz."""

    def _delay(self, packets: list[bytes]) -> int:
        """Return by how many samples the codec lags that the container does not tell."""
        return 0

    def render(
        self, samples: Samples, sample_rate: int, rng: np.random.Generator
    ) -> tuple[Samples, Checks]:
        import numpy as np

        from pytest_nnrel.corpus.audio import resample

        if problem := self.missing():
            raise EngineError(problem)
        rate = self._coded_rate(sample_rate)
        within, scale = within_full_scale(resample(samples, sample_rate, rate))
        packets, decoded = self._coded_and_decoded(within, rate)
        out = decoded[self._delay(packets) :][: len(within)]
        out = np.pad(out, (0, len(within) - len(out)))
        lag = lag_between(within, out)
        if lag:
            raise TransformError(f"the codec's output lags by {lag} samples; {_REINSTALL}")
        reached = sum(map(len, packets)) * 8 / (len(within) / rate) / 1000.0
        out = resample(out * np.float32(scale), rate, sample_rate)[: len(samples)]
        out = np.pad(out, (0, len(samples) - len(out)))
        return out, {"kbps": reached, "lag": float(lag)}

    def _coded_and_decoded(self, samples: Samples, rate: int) -> tuple[list[bytes], Samples]:
        import io

        import av
        import numpy as np

        file = io.BytesIO()
        packets: list[bytes] = []
        with av.open(file, "w", format=self.container) as coded:
            stream: Any = coded.add_stream(
                self.codec, rate=rate, layout="mono", options=dict(self.options)
            )
            stream.bit_rate = round(self.kbps * 1000)
            stream.codec_context.format = self.sample_format
            frame = av.AudioFrame.from_ndarray(
                samples[None], format=self.sample_format, layout="mono"
            )
            frame.sample_rate, frame.pts = rate, 0
            for part in (frame, None):
                for packet in stream.encode(part):
                    packets.append(bytes(packet))
                    coded.mux(packet)
        file.seek(0)
        with av.open(file, "r") as stored:
            frames = list(stored.decode(audio=0))
        if {frame.sample_rate for frame in frames} != {rate}:
            raise TransformError(f"the codec did not return audio at {rate} Hz; {_REINSTALL}")
        return packets, np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
