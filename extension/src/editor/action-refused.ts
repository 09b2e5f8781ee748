import type { ErrorCode } from '@devlm/protocol/error-codes.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as vscode from 'vscode';

/** Creates the error of an editor action that cannot be performed. `detail` says why and what to do. */
export function actionRefused(code: ErrorCode, detail: string): ProblemError {
  return new ProblemError({ code, status: 400, title: vscode.l10n.t('This action is not available'), detail });
}
