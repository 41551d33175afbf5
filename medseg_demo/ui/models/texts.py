"""The words of the Models tab, and the lines of Python by which a model is saved so that it can be added."""

# --- the list and a card
INTRO = "Every checkpoint of this page. A row opens its card; headings sort."
TABLE = "Checkpoints"
COLUMNS = ("Checkpoint", "Task", "Finds", "Kind", "Network", "Size")
ALL_TASKS, ALL_KINDS = "Every task", "Every kind"
TASK, KIND = "Task", "Kind"
NO_MATCH = "No checkpoint of this task and kind."
EMPTY_TITLE = "No usable checkpoint yet"
EMPTY = "Add one above: files, a zip or a repository of the Hub. Nothing of it is executed."
MINE = "this session only"
OPEN_SEGMENT, OPEN_COMPARE, OPEN_EVALUATE = "Open in Segment", "Open in Compare", "Open in Evaluate"
MEASURE = "Measure here"
MEASURING = "Measuring {name}"
REMOVE = "Remove"
REMOVE_SURE = "Remove {name} for everybody? Its folder is deleted."
REMOVE_SURE_OWN = "Remove {name}? Its folder is deleted."
REMOVE_YES, REMOVE_NO = "Yes, remove it", "Keep it"
REMOVED_TITLE = "{name} was removed"
NOT_REMOVABLE = "{name} cannot be removed from here: it came with the program, or belongs to others."
FAILED_TITLE = "This did not work"
FIGURES = "Figures"
CURVE = "Training"
CLASS_LINES = "Thin: the Dice of each class"
NOTES = "All notes of this checkpoint"
PARAMETERS, BYTES, SHA, SOURCE = "Parameters", "Files", "SHA-256", "From"
GFLOPS = "Operations"
TIME = "Time an image, network alone"
AT_COMMIT = "{repository} at commit {commit}"

# --- adding: where from
ADD = "Add a checkpoint"
ADD_INTRO = (
    "Try your own model in three steps: give its files, check what was recognised, save it. It runs on this computer, "
    "and no code of it is ever executed."
)
ADD_VISITOR = "It is yours alone: nobody else on this page sees it, and it is deleted with your session."
STEP_FILES = "1. Give its files"
STEP_CARD = "2. Check what was recognised"
STEP_TRY = "3. Look at a result, and save"
UPLOAD = "Files of the checkpoint"
UPLOAD_HINT = (
    "A folder saved by segmentation-models-pytorch, transformers, MONAI (bundle) or nnU-Net (as a zip), one ONNX file, "
    "or weights alone (.safetensors, .pth, .ckpt). Files or one zip. {limit}"
)
FOLDER = "Add a folder"
HUB = "Or from the Hugging Face Hub"
HUB_ID = "Repository"
REVISION = "Revision"
REVISION_HINT = "A branch, tag or commit; the newest without one."
FETCH = "Download"
SERVER = "Folder of this computer"
SERVER_HINT = "Its path; the folder is copied and stays as it is."
TAKE = "Take"
HOW_TO_SAVE = "How to save a model so that it can be added"
SAVE_HINT = "The lines write a folder; add all of its files here."

# --- adding: what was recognised
RECOGNISED = "Recognised"
CHANNELS_IN, CHANNELS_OUT = "Input channels", "Output channels"
ASSUMED_TITLE = "Nothing says how images must reach this network"
ASSUMED = (
    "The form holds assumptions. Correct size, intensities and classes to what it was trained with: a wrong one gives "
    "wrong results without an error."
)
FIXED = "Its own files say how images reach it, so size, spacing and intensities cannot be changed here."
NAME = "Name"
NETWORK = "Network"
NETWORK_HINT = "The weights fit several networks, which give different results. Choose the one that was trained."
TASK_HINT = "What is segmented in which kind of image; checkpoints are grouped by it."
MODALITY = "Kind of image"
CLASSES = "Classes, in the order of the labels"
CLASSES_HINT = "Commas between. Background has no name."
COLOURS = "Colours"
COLOURS_HINT = "One a class, such as #d55e00; empty for the usual ones, which are safe for colour blindness."
CHANNEL_NAMES = "Input channels, in their order"
CHANNEL_NAMES_HINT = "Such as T1, FLAIR; empty for grey or colour."
SIZE = "Input size"
SIZE_HINT = "Height × width, or depth × height × width, in pixels."
INFERENCE = "An image reaches it"
INFERENCE_CHOICES = [("Whole, resized", "resize"), ("In tiles", "tile")]
SPACING = "Spacing of tiles, mm"
SPACING_HINT = "In the order of the size; empty leaves images as they are."
NORMALISATION = "Intensities"
NORMALISATION_CHOICES = [
    ("0 to 1", "unit"),
    ("ImageNet's mean and deviation", "imagenet"),
    ("The image's own mean and deviation", "zscore"),
    ("Other mean and deviation", "own"),
]
MEAN, STD = "Mean", "Deviation"
MEAN_HINT = "After 0 to 1; one value, or one a channel."
WINDOW = "Window that becomes 0 to 1"
WINDOW_HINT = "Low, high, such as -1000, 400; empty takes each image's own."
THRESHOLD = "Threshold"

# --- adding: the result
IMAGE = "Your own image"
TRY = "Try it"
SAVE = "Save"
SEEN = "What the network sees"
SEEN_CHANNEL = "Channel"
SEEN_COLUMNS = ("Least", "Mean", "Greatest")
SEEN_SIZE = "{size}, of which the image covers {covered}"
LOOKING = "Looking at the files"
DOWNLOADING = "Downloading: {done} of {total} MiB"
SEGMENTING = "Segmenting {name}"
SAVED_TITLE = "{name} was saved"
SAVED = "It can be chosen in Segment, Compare and Evaluate now."
SAVED_VISITOR = "It can be chosen in Segment, Compare and Evaluate now, by you alone, until this page is closed."
STALE_TITLE = "The form changed since this result"
STALE = "Press Try it for a result of what it says now."
PROBLEM_TITLE = "This checkpoint cannot be used as it is"
STOPPED_TITLE = "Stopped"
STOPPED = "Nothing was changed."

# --- adding: errors
NOTHING_GIVEN = "No file was given. Add the checkpoint's files first."
NOT_KNOWN = (
    "No checkpoint was recognised among the files ({names}). Give a folder as segmentation-models-pytorch, "
    "transformers, MONAI or nnU-Net saves it, one ONNX file, or one file of weights."
)
OTHER_LIBRARY = (
    "{name} is a format of TensorFlow or Keras, which is not read here. Export the model as ONNX, and add that file."
)
A_PROGRAM = "{name} is a program or a pickle, which is never executed here. Save the weights as .safetensors instead."
SEVERAL = "There are several checkpoints in it ({names}). Add one at a time."
ALIKE = "Two files are called {name}. Pack the folder as a zip, so that its folders are kept."
TOO_LARGE = "The files have {size} MiB, more than the {limit} MiB that are taken. {advice}"
TOO_LARGE_OWNER = "Raise MEDSEG_MAX_FILE_MB, or copy the folder into the checkpoints folder by hand."
TOO_LARGE_VISITOR = "Run this page on your own computer for larger ones."
NO_FOLDER = "There is no folder {name} on this computer that can be read. Write its whole path."
NOT_PUBLIC = "Folders of the server are not taken on a public page. Upload the files."
NO_DRAFT = "No checkpoint is open here. Add its files first."
NO_IMAGE = "Choose a sample or add an image to see a result."
GONE = "This checkpoint is not there any more. Somebody removed it, or the session expired."
FAULT = "{label}: {fault}"
NOT_NUMBERS = "{label}: {text} is not a list of numbers."
NO_CLASSES = "Name at least one class."

SNIPPETS = (
    (
        "segmentation-models-pytorch",
        """import segmentation_models_pytorch as smp

model = smp.Unet("resnet34", classes=1)
# ... train it ...
model.save_pretrained("my-model")
""",
    ),
    (
        "MONAI",
        """import json, pathlib, torch
from monai.networks.nets import UNet

shape = {"spatial_dims": 2, "in_channels": 1, "channels": [16, 32, 64], "strides": [2, 2]}
model = UNet(**shape, out_channels=2)
# ... train it ...
pathlib.Path("my-model").mkdir()
torch.save(model.state_dict(), "my-model/model.pth")
config = {"_model_class": "MonaiUNet", **shape, "classes": 2}
pathlib.Path("my-model/config.json").write_text(json.dumps(config))
""",
    ),
    (
        "Lightning",
        """import segmentation_models_pytorch as smp
from my_code import MyModule

module = MyModule.load_from_checkpoint("last.ckpt", map_location="cpu")
assert isinstance(module.model, smp.base.SegmentationModel)
module.model.save_pretrained("my-model")
""",
    ),
)
