"""What a visitor reads who is refused, by the page or by the web API."""

NOT_YOURS = (
    "This file is none that this session uploaded, or it has been deleted meanwhile. Upload it again: paths, folders, "
    "addresses and files of another session are not taken."
)
NO_FILE = "{label}: what was sent is no uploaded file. Upload a file first, and send what the upload answered."
ONE_FILE = "{label}: one file is taken here, and a list was sent. Send one file."
NOT_YOUR_SESSION = "This session was begun in another browser. Reload the page, and a session of your own begins."
TOO_MANY_RUNS = (
    "{count} of your runs go on, which is as many as one visitor may have here. Try again when one of them has ended, "
    "in about {seconds} s."
)
QUEUE_FULL = "Too many visitors wait at this moment. Try again in {seconds} s."
TOO_OFTEN = "Too many at once: at most {most} a minute are taken from one visitor. Try again in {seconds} s."
UPLOAD_TOO_LARGE = (
    "The upload exceeds {limit} MiB, which is the most that one visitor may keep here. Delete something from it, or "
    "send it in parts."
)
FULL = "There is no room for this upload now, since the runs that go on need their files. Try again in {seconds} s."
TOO_SLOW = (
    "The upload was ended: it came to less than {rate} KiB a second. Try again over a faster connection, or with a "
    "smaller file."
)
BROKEN_UPLOAD = "The upload could not be read. Send it as a form with files, as a browser does."
BODY_TOO_LARGE = "The request exceeds {limit} MiB. Upload files, and send what the upload answered."
NO_EVENT = "The request is no event: its body must be JSON in UTF-8, an object, with numbers that are finite."
NO_SESSION = "session_hash must be 1 to 64 letters, digits, hyphens or underscores. Leave it out where there is none."
UNKNOWN_EVENT = "There is no such event here. Reload the page, or ask /gradio_api/info what there is."
WRONG_COUNT = "{needed} values are needed here, and {given} were sent. Reload the page, or ask /gradio_api/info."
WRONG_ARGUMENTS = "An argument is missing, or is none of this endpoint. Ask /gradio_api/info for its arguments."
GONE_EVENT = "There is no such event, or its answer was fetched already. Send it again."
LOG_IN = "Log in first: open the page in a browser, or give the client a user and a password."
NOT_HERE = "There is nothing under this address."
WRONG_HOST = (
    "This page is not served under the name {host}. Open it under the address that its server printed; who runs it "
    "allows a name by --allow-host {host}."
)
WRONG_ORIGIN = "Requests from pages of {origin} are not taken. Who runs this server allows them by --allow-host."
NO_ACCOUNT = "--auth {given}: give a user and a file with the password, as USER:FILE."
NO_PASSWORD_FILE = "--auth: the password file {file} of {user} cannot be read. Write the password into its first line."
SHORT_PASSWORD = "--auth: the password of {user} in {file} has fewer than {shortest} characters. Choose a longer one."
HUB_TITLE = "Log in"
HUB_WHY = "This page is open to those who are logged in. Your name is used to let you in, and is not stored."
HUB_LINK = "Log in with Hugging Face"
