import * as z from 'zod';

// The page's content security policy forbids eval. Without this option zod would try it and cause a violation report.
z.config({ jitless: true });
