from neurofa import figures as figures
from neurofa import measures as measures
from neurofa import references as references
from neurofa.analysis import analyse as analyse
from neurofa.comparison import compare as compare
from neurofa.errors import NeurofaError as NeurofaError
from neurofa.job import run as run
from neurofa.nwb import import_nwb as import_nwb
from neurofa.observation import observe as observe
from neurofa.protocol import load_protocol as load_protocol
from neurofa.recording import load_recording as load_recording
from neurofa.simulation import simulate as simulate

__version__: str
