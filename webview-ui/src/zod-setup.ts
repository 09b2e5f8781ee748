import * as z from 'zod';

// The page's content policy forbids eval; without this zod would try it and be reported.
z.config({ jitless: true });
