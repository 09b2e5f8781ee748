/** What the name of a credential's placeholder begins with. */
export const placeholderMark = 'DEVLM_SECRET_';

/** Stands in the place of a credential in all that is stored, shown or sent to a model. */
export const placeholder = /DEVLM_SECRET_[0-9A-F]{20}/;
