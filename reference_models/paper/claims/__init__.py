"""The paper's nine claims, each with a statistic that says whether results bear it out.

Statistics and thresholds follow from the wording of the paper, and were fixed before any results
were seen; where the wording gives no number, the reason for the one that was taken stands with its
claim. All values are means over an encoder's trials unless something else is said.
"""

from reference_models.paper.claims.claim import Claim, Outcome
from reference_models.paper.claims.encoders import (
    encoders_compared,
    originals_alone,
    tasks_compared,
)
from reference_models.paper.claims.magnitudes import (
    audio_space,
    grave_magnitudes,
    smallest_magnitudes,
)
from reference_models.paper.claims.maps import map_of_voices, maps_of_transformations
from reference_models.paper.claims.performances import task_performance

__all__ = ["CLAIMS", "Claim", "Outcome"]

CLAIMS = (
    Claim(
        1,
        "In the audio space C_W is about 1 at the smallest magnitudes, for DTW and SiMPle, and"
        " falls with magnitude; under tempo shifts it stays high, with DTW most of all.",
        "section 5.2, Fig. 6",
        audio_space,
    ),
    Claim(
        2,
        "MFCC is the most consistent encoder, within and between spaces; every VGG encoder is"
        " lower.",
        "RQ 1, sections 5.2, 5.3 and 6.5, Figs. 8 and 11",
        encoders_compared,
    ),
    Claim(
        3,
        "C_W and C_acc order the tasks AT > IR > VS > AE; C_rho is led by AE, and AT is last.",
        "RQ 2, sections 5.2, 5.3 and 6.2, Figs. 8 and 11",
        tasks_compared,
    ),
    Claim(
        4,
        "C_acc is high again at grave magnitudes, where both spaces fail together; C_rho is flat"
        " in magnitude.",
        "section 5.3, Fig. 10",
        grave_magnitudes,
    ),
    Claim(
        5,
        "At the smallest magnitudes the medians of C_W of MFCC, AT and IR are close to 1, those of"
        " VS and AE much lower; pitch shift hurts most.",
        "section 5.4.2, Fig. 12",
        smallest_magnitudes,
    ),
    Claim(
        6,
        "C_rho on the originals alone ranks the encoders as C_rho under transformation does.",
        "section 6.2, Fig. 13",
        originals_alone,
    ),
    Claim(
        7,
        "VGG performs above MFCC in every task, by the most in AE and the least in VS; performance"
        " falls with noise, except in AE, where it grows with environmental noise; it drops"
        " already at the smallest magnitudes, most of all under pitch shift.",
        "sections 5.1 and 5.4.1, Figs. 4, 5 and 12",
        task_performance,
    ),
    Claim(
        8,
        "In maps by t-SNE transformed points coincide with originals for MFCC, and form clusters"
        " of their own for AE and VS.",
        "section 5.2, Fig. 9",
        maps_of_transformations,
    ),
    Claim(
        9,
        "In the map of VS by t-SNE the points are ordered by vocal loudness.",
        "section 6.2, Fig. 14",
        map_of_voices,
    ),
)
