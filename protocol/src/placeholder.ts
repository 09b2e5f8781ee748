/** The prefix of the placeholder of a credential. */
export const placeholderMark = 'DEVLM_SECRET_';

/** Matches the placeholder that replaces a credential in everything that is stored, shown or sent to a model. */
export const placeholder = /DEVLM_SECRET_[0-9A-F]{20}/;
