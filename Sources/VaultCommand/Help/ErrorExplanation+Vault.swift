import VaultCore

/// The codes of commands and of the library.
extension ErrorExplanation {
    static let vault = [
        ErrorExplanation(
            .invalidInput,
            "An option, an argument or a file does not have the form it must have, or the command line is not understood.",
            changed: "Nothing; the vault was not even asked, or refused the whole of it.",
            remedy: "Read the usage line that comes with it; --help at the command has examples."),
        ErrorExplanation(
            .notFound,
            "What was named is not there: the vault, a key file, a client, a user, a grant or an entry.",
            changed: "Nothing.",
            remedy:
                "Check the spelling and --vault; the list command of that kind of thing shows what there is."),
        ErrorExplanation(
            .alreadyExists, "The name is taken, or there is a file at that path.",
            changed: "Nothing; no file was overwritten.",
            remedy: "Choose another name, or remove the old thing first if you mean to."),
        ErrorExplanation(
            .denied,
            "The state of the thing does not allow this: it is disabled, revoked, in use, or at a limit.",
            changed: "Nothing; where the refusal itself matters, the log has an entry of it.",
            remedy: "The message says which state; the show command of that kind of thing says more."),
        ErrorExplanation(
            .locked, "The vault is sound, but no keyslot opens with the key that was given.",
            changed: "Nothing; nothing counts attempts.",
            remedy:
                "Give the key of one of the slots that the message names. With the key lost, use the recovery key."
        ),
        ErrorExplanation(
            .notAVault, "The file is there and is something else than a vault.", changed: "Nothing.",
            remedy: "Check --vault. After a restore: an incomplete copy lacks its header."),
        ErrorExplanation(
            .permissionDenied,
            "The operating system does not let this user read or write there, or others may use a file of keys.",
            changed: "Nothing.",
            remedy:
                "Run as the vault's owner; chmod 600 for the vault and its key file, 700 for the directory."),
        ErrorExplanation(
            .readOnly, "The file system is mounted read-only, or the file cannot be written.",
            changed: "Nothing.",
            remedy: "Remount for writing. A file system that turned read-only had errors: see dmesg."),
        ErrorExplanation(
            .schemaNewer, "A newer tokenvault has worked on this vault; this one does not know its tables.",
            changed: "Nothing.",
            remedy: "Use the newer version. There is no way back but a backup from before."),
        ErrorExplanation(
            .schemaChanged,
            "The tables are not those that the vault's own ledger names: somebody altered the file.",
            changed: "Nothing.", remedy: "Keep a copy of the file, find out who, and restore a backup."),
        ErrorExplanation(
            .busy, "Another process writes for long, or too many writers wait.",
            changed: "Nothing; no token was spent.",
            remedy: "Try again in a moment. If it goes on: 'tokenvault doctor' says who serves the vault."),
        ErrorExplanation(
            .registryChanged, "Clients or users changed between reading and writing.",
            changed: "Nothing.", remedy: "Try again; programs read anew and repeat by themselves."),
        ErrorExplanation(
            .outOfSpace, "The disk is full, or so full that only work already begun is finished.",
            changed: "Nothing of this; work that was begun before was finished from the reserve.",
            remedy: "Free some space: the vault takes new work again by itself."),
        ErrorExplanation(
            .ioFailure, "The disk, or standard output, failed in reading or writing.",
            changed: "Nothing in the vault; where standard output failed, what was done stays done.",
            remedy:
                "See dmesg and the disk's health; 'tokenvault doctor' and 'tokenvault audit verify' afterwards."
        ),
        ErrorExplanation(
            .outcomeUnknown,
            "The disk failed at the very moment of committing, and did not answer afterwards.",
            changed: "All of it or nothing; which, is not known yet.",
            remedy:
                "Look with the show or list command before doing it again. A refresh may simply be repeated."),
        ErrorExplanation(
            .integrity,
            "Stored bytes are not what was written: edited, moved, restored from elsewhere, or damaged.",
            changed: "Nothing; what cannot be trusted is not used.",
            remedy:
                "Stop the service, copy the file as it is, run 'tokenvault audit verify', then restore a backup."
        ),
        ErrorExplanation(
            .unavailable,
            "It cannot be done now: the vault is closed, gave up after failures, or its files are not in their place; a "
                + "provider does not answer; or SQLite is not fit for it.",
            changed: "Nothing.",
            remedy: "Do what the message says, or try again later; restart the service if its disk failed."
        ).alsoMet(in: .keeper),
        ErrorExplanation(
            .confirmationRequired, "It cannot be undone, so its name is wanted twice.",
            changed: "Nothing.", remedy: "Read what it will do, then give --confirm as the message says."),
        ErrorExplanation(
            .internalError, "A defect in this program.", changed: "Nothing that was not said to be done.",
            remedy: "Report it with the command and the version; no secret is in the message."),
    ]
}
